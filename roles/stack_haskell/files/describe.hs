-- Says of Cabal projects what the Cabal library itself reads in them, as JSON.
--
--   describe project FILE...  the fields of cabal.project and cabal.project.freeze
--   describe packages FILE    resolves the packages of a request, whose lines are:
--
--     available NAME VERSION  a library that a package manager has (or several of a name)
--     constraint NAME RANGE   what the project demands of a version
--     flag NAME ASSIGNMENT    flags that are set (+this -that)
--     executables NAME EXE... of that package only these are wanted
--     package FILE            a package to resolve; it is available to the others
--
-- Conditionals and flags are resolved by finalizePD, as Setup configure resolves them.
module Main (main) where

import Control.Applicative (optional, (<|>))
import qualified Data.ByteString as ByteString
import Data.Char (isControl, ord)
import Data.List (intercalate, nub, sort)
import qualified Data.Map.Strict as Map
import Data.Maybe (isJust, mapMaybe)
import Distribution.Compat.CharParsing (spaces, string, try)
import Distribution.Compiler (CompilerFlavor (GHC), CompilerInfo)
import Distribution.Fields
  (Field (..), FieldLine (..), Name (..), SectionArg (..), readFields, showPError)
import Distribution.PackageDescription
import Distribution.PackageDescription.Configuration (finalizePD)
import Distribution.PackageDescription.Parsec (parseGenericPackageDescription, runParseResult)
import Distribution.Parsec
  (CabalParsing, eitherParsec, explicitEitherParsec, parsec, parsecCommaList)
import Distribution.Pretty (Pretty, prettyShow)
import Distribution.Simple.BuildToolDepends (getAllToolDependencies, isInternal)
import Distribution.Simple.Compiler (compilerInfo)
import Distribution.Simple.Configure (configCompilerEx)
import Distribution.Simple.Program (defaultProgramDb)
import Distribution.System (Platform)
import Distribution.Types.ComponentRequestedSpec (defaultComponentRequestedSpec)
import Distribution.Types.PackageVersionConstraint (PackageVersionConstraint (..))
import Distribution.Utils.Generic (fromUTF8BS)
import Distribution.Utils.ShortText (fromShortText)
import Distribution.Verbosity (silent)
import Distribution.Version (Version, VersionRange, simplifyVersionRange, withinRange)
import GHC.IO.Encoding (setLocaleEncoding)
import System.Environment (getArgs)
import System.Exit (exitFailure)
import System.IO (hPutStrLn, hSetEncoding, stderr, stdout, utf8)

main :: IO ()
main = do
  setLocaleEncoding utf8
  mapM_ (`hSetEncoding` utf8) [stdout, stderr]
  arguments <- getArgs
  case arguments of
    "project" : files -> mapM readProject files >>= putStrLn . render . array . concat
    ["packages", file] -> readFile file >>= resolve >>= putStrLn . render
    _ -> refuse ["describe project FILE... | describe packages FILE"]

refuse :: [String] -> IO a
refuse problems = mapM_ (hPutStrLn stderr) problems >> exitFailure

-- Packages

data Request = Request
  { available :: Map.Map PackageName [Version]
  , constraints :: [PackageVersionConstraint]
  , assigned :: Map.Map PackageName FlagAssignment
  , wanted :: Map.Map PackageName [UnqualComponentName]
  , files :: [FilePath]
  }

resolve :: String -> IO Json
resolve input = do
  request <- either (refuse . pure) pure (foldr (\l r -> r >>= line (words l)) (Right empty) (lines input))
  packages <- mapM readPackage (files request)
  (compiler, platform, _) <- configCompilerEx (Just GHC) Nothing Nothing defaultProgramDb silent
  let own = Map.fromList [(packageNameOf p, [packageVersionOf p]) | p <- packages]
      all' = request {available = Map.union own (available request)}
  pure (array (zipWith (describe all' platform (compilerInfo compiler)) (files request) packages))
  where
    empty = Request Map.empty [] Map.empty Map.empty []

line :: [String] -> Request -> Either String Request
line ["available", name, version] request = do
  n <- eitherParsec name
  v <- eitherParsec version
  pure request {available = Map.insertWith (++) n [v] (available request)}
line ("constraint" : name : range) request = do
  constraint <- PackageVersionConstraint <$> eitherParsec name <*> eitherParsec (unwords range)
  pure request {constraints = constraint : constraints request}
line ("flag" : name : flags) request = do
  n <- eitherParsec name
  f <- explicitEitherParsec parsecFlagAssignment (unwords flags)
  pure request {assigned = Map.insertWith (<>) n f (assigned request)}
line ("executables" : name : some) request = do
  n <- eitherParsec name
  pure request {wanted = Map.insert n (map mkUnqualComponentName some) (wanted request)}
line ("package" : path) request = pure request {files = unwords path : files request}
line [] request = pure request
line other _ = Left ("not understood: " ++ unwords other)

readPackage :: FilePath -> IO GenericPackageDescription
readPackage path = do
  content <- ByteString.readFile path
  case snd (runParseResult (parseGenericPackageDescription content)) of
    Right package -> pure package
    Left (_, problems) -> refuse (foldMap (pure . showPError path) problems)

packageNameOf :: GenericPackageDescription -> PackageName
packageNameOf = pkgName . package . packageDescription

packageVersionOf :: GenericPackageDescription -> Version
packageVersionOf = pkgVersion . package . packageDescription

describe :: Request -> Platform -> CompilerInfo -> FilePath -> GenericPackageDescription -> Json
describe request platform compiler path whole =
  object
    [ ("file", text path)
    , ("name", pretty name)
    , ("version", pretty (packageVersionOf whole))
    , ("build_type", pretty (buildType (packageDescription whole)))
    , ("synopsis", text (fromShortText (synopsis (packageDescription whole))))
    , ("licence", text (either prettyShow prettyShow (licenseRaw (packageDescription whole))))
    , ("homepage", text (fromShortText (homepage (packageDescription whole))))
    , ("declared", array (map (pretty . fst) (condExecutables whole)))
    , ("executables", array [pretty (exeName e) | e <- executables resolved, isBuilt e])
    , ("componentwise", bool componentwise)
    , ("library", bool (isJust (library resolved) || not (null (subLibraries resolved))))
    , ("data_files", bool (not (null (dataFiles resolved))))
    , ("flags", array (map (text . shown) (unFlagAssignment flags)))
    , ("dependencies", array (map dependency (sort (nub dependencies))))
    , ("missing", array (map dependency (sort (nub (missing ++ missingSetup)))))
    , ("tools", array (sort (nub (concatMap tools infos))))
    , ("modules", array (nub (concatMap (map moduleName . pkgconfigDepends) infos)))
    , ("libraries", array (map text (nub (concatMap extraLibs infos))))
    ]
  where
    name = packageNameOf whole
    isWanted executable = maybe True (executable `elem`) (Map.lookup name (wanted request))
    isBuilt executable = isWanted (exeName executable) && buildable (buildInfo executable)
    chosen = filter (isWanted . fst) (condExecutables whole)
    -- Setup configures one component alone where its own libraries are there, and is Cabal's own.
    componentwise =
      length chosen < length (condExecutables whole)
        && null (condSubLibraries whole)
        && buildType (packageDescription whole) == Simple
    trimmed =
      whole
        { condExecutables = if componentwise then chosen else condExecutables whole
        , condTestSuites = []
        , condBenchmarks = []
        }
    given = Map.findWithDefault mempty name (assigned request)
    finalize satisfied =
      finalizePD given defaultComponentRequestedSpec satisfied platform compiler (constraints request) trimmed
    (missing, (resolved, flags)) = case finalize (satisfiable request) of
      Right found -> ([], found)
      Left lacking -> (lacking, either (const (packageDescription whole, given)) id (finalize (const True)))
    infos = filter buildable (allBuildInfo resolved)
    setup = maybe [] setupDepends (setupBuildInfo resolved)
    missingSetup = filter (not . satisfiable request) setup
    dependencies = filter ((/= name) . depPkgName) (concatMap targetBuildDepends infos ++ setup)
    tools info =
      [ object [("package", pretty p), ("program", pretty e), ("range", pretty r)]
      | tool@(ExeDependency p e r) <- getAllToolDependencies resolved info
      , not (isInternal resolved tool)
      ]
    dependency (Dependency n range _) =
      object
        [ ("name", pretty n)
        , ("range", pretty (simplifyVersionRange range))
        , ("available", array (map pretty (Map.findWithDefault [] n (available request))))
        ]
    moduleName (PkgconfigDependency n _) = pretty n

satisfiable :: Request -> Dependency -> Bool
satisfiable request (Dependency name range _) =
  any (`withinRange` range) (Map.findWithDefault [] name (available request))

-- Projects

-- | One thing that a project file says: its kind, whom it concerns, and what it is.
type Statement = Json

readProject :: FilePath -> IO [Statement]
readProject path = do
  content <- ByteString.readFile path
  case readFields content of
    Left problem -> refuse [path ++ ": " ++ show problem]
    Right found -> either (refuse . pure . ((path ++ ": ") ++)) pure (concat <$> mapM (statements []) found)

statements :: [String] -> Field a -> Either String [Statement]
statements within (Field (Name _ name) content)
  | null within && label == "constraints" = do
      found <- explicitEitherParsec (parsecCommaList constraintOf) value
      pure (map said found)
  | otherwise = pure [object [("kind", text label), ("of", array (map text within)), ("value", text value)]]
  where
    label = fromUTF8BS name
    value = intercalate "\n" [fromUTF8BS l | FieldLine _ l <- content]
    said (package', kind, what) =
      object [("kind", text kind), ("of", array [text package']), ("value", text what)]
statements within (Section (Name _ name) arguments fields) =
  concat <$> mapM (statements (within ++ fromUTF8BS name : mapMaybe argument arguments)) fields
  where
    argument (SecArgName _ word) = Just (fromUTF8BS word)
    argument (SecArgStr _ word) = Just (fromUTF8BS word)
    argument (SecArgOther _ word) = Just (fromUTF8BS word)

constraintOf :: CabalParsing m => m (String, String, String)
constraintOf = do
  _ <- optional (try (string "any.") <|> try (string "setup."))
  name <- parsec
  spaces
  (kind, what) <-
    (,) "constraint-flags" . unwords . map shown . unFlagAssignment <$> parsecFlagAssignmentNonEmpty
      <|> (,) "constraint-source" <$> (string "installed" <|> string "source")
      <|> (,) "constraint" . range <$> parsec
  pure (prettyShow (name :: PackageName), kind, what)
  where
    range = prettyShow :: VersionRange -> String

shown :: (FlagName, Bool) -> String
shown (flag, on) = (if on then '+' else '-') : unFlagName flag

-- JSON

newtype Json = Json {render :: String} deriving (Eq, Ord)

text :: String -> Json
text value = Json ('"' : concatMap escaped value ++ "\"")
  where
    escaped '"' = "\\\""
    escaped '\\' = "\\\\"
    escaped '\n' = "\\n"
    escaped c
      | isControl c = "\\u" ++ padded (hexadecimal (ord c))
      | otherwise = [c]
    padded digits = replicate (4 - length digits) '0' ++ digits
    hexadecimal n
      | n < 16 = [digit n]
      | otherwise = hexadecimal (n `div` 16) ++ [digit (n `mod` 16)]
    digit n = "0123456789abcdef" !! n

pretty :: Pretty a => a -> Json
pretty = text . prettyShow

bool :: Bool -> Json
bool value = Json (if value then "true" else "false")

array :: [Json] -> Json
array values = Json ("[" ++ intercalate "," (map render values) ++ "]")

object :: [(String, Json)] -> Json
object pairs = Json ("{" ++ intercalate "," [render (text k) ++ ":" ++ render v | (k, v) <- pairs] ++ "}")
