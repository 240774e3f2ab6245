{-# LANGUAGE ForeignFunctionInterface #-}

module Main (main) where

import Data.Time (UTCTime (..), fromGregorian, getTimeZone, timeZoneMinutes)
import Foreign.C.String (CString, peekCString)
import qualified Language.Javascript.JQuery as JQuery
import Letters (alphabet)
import Tokens (numbers)
import Words.Tiny (word)

foreign import ccall "zlibVersion" zlibVersion :: IO CString

main :: IO ()
main = do
  alphabet >>= putStr
  zone <- getTimeZone (UTCTime (fromGregorian 2024 2 29) 0)
  version <- zlibVersion >>= peekCString
  script <- JQuery.file >>= readFile
  print (timeZoneMinutes zone, numbers "12 monkeys 7", word, null version, null script)
