{-# LANGUAGE OverloadedStrings #-}

-- | How people greet in several languages: a data file of the package.
module Greetings (Greetings, parseGreetings, greetingIn, languages) where

import Data.Text (Text)
import qualified Data.Text as Text

newtype Greetings = Greetings [(Text, Text)]

-- | Read lines of the form @LANGUAGE GREETING@.
parseGreetings :: Text -> Greetings
parseGreetings content =
  Greetings
    [ (language, Text.strip greeting)
    | line <- Text.lines content
    , (language, greeting) <- [Text.breakOn " " line]
    , not (Text.null greeting)
    ]

greetingIn :: Text -> Greetings -> Maybe Text
greetingIn language (Greetings pairs) = lookup language pairs

languages :: Greetings -> [Text]
languages (Greetings pairs) = map fst pairs
