module Main (main) where

import Application (application)
import qualified Data.Text.IO as Text
import Greetings (languages, parseGreetings)
import Network.Wai.Handler.Warp
  (defaultSettings, runSettings, setInstallShutdownHandler, setPort, setTimeout)
import Paths_haskell_web (getDataFileName)
import System.Environment (lookupEnv)
import System.FilePath ((</>))
import System.IO (BufferMode (LineBuffering), hSetBuffering, stdout)
import System.Posix.Signals (Handler (CatchOnce), installHandler, sigINT, sigTERM)
import Visits (openVisits)

main :: IO ()
main = do
  hSetBuffering stdout LineBuffering
  port <- maybe 8080 read <$> lookupEnv "PORT"
  directory <- maybe "/data" id <$> lookupEnv "DATA_DIR"
  greetings <- parseGreetings <$> (getDataFileName "greetings.txt" >>= Text.readFile)
  visits <- openVisits (directory </> "visits.db")
  putStrLn ("haskell-web listens on port " ++ show port ++ ", data in " ++ directory)
  putStrLn ("it greets in " ++ show (length (languages greetings)) ++ " languages")
  runSettings (setPort port (setTimeout 10 (setInstallShutdownHandler onSignal defaultSettings)))
    (application greetings visits)
  where
    onSignal close = mapM_ (leave close) [sigTERM, sigINT]
    leave close signal = installHandler signal (CatchOnce (goodbye close)) Nothing
    goodbye close = putStrLn "answering what is open, then leaving" >> close
