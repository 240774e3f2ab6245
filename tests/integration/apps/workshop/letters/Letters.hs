module Letters (alphabet) where

import Paths_letters (getDataFileName)

alphabet :: IO String
alphabet = getDataFileName "alphabet.txt" >>= readFile
