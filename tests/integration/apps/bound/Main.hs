module Main (main) where

import qualified Data.Text as Text
import Hooked (hooked)

main :: IO ()
main = putStrLn (Text.unpack (Text.toUpper (Text.pack ("grüße: " ++ hooked))))
