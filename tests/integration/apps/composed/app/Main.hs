{-# LANGUAGE TemplateHaskell #-}

module Main (main) where

import qualified Data.ByteString as Bytes
import Data.FileEmbed (embedDir)

-- | Prints every file of the front end, which is in the program.
main :: IO ()
main = mapM_ shown $(embedDir "static/dist")
  where
    shown (name, content) = putStr (name ++ ": ") >> Bytes.putStr content
