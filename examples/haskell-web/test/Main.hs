{-# LANGUAGE OverloadedStrings #-}

module Main (main) where

import Data.Time (UTCTime (..), fromGregorian)
import Greetings (greetingIn, languages, parseGreetings)
import Test.Hspec (describe, hspec, it, shouldBe)
import Visits (addVisit, countVisits, openVisits)

main :: IO ()
main = hspec $ do
  describe "greetings" $ do
    it "are lines of a language and a text" $
      greetingIn "de" (parseGreetings "en Hello\nde Grüß Gott\n") `shouldBe` Just "Grüß Gott"
    it "are not made of other lines" $
      languages (parseGreetings "en Hello\n\nnonsense\n") `shouldBe` ["en"]
  describe "visits" $
    it "are counted by name" $ do
      visits <- openVisits ":memory:"
      let noon = UTCTime (fromGregorian 2024 2 29) 43200
      _ <- addVisit visits noon "Grüße"
      addVisit visits noon "Grüße" >>= (`shouldBe` 2)
      addVisit visits noon "other" >>= (`shouldBe` 1)
      countVisits visits >>= (`shouldBe` 3)
