{-# LANGUAGE OverloadedStrings #-}

-- | The routes of the service.
module Application (application) where

import Data.Aeson (Value, encode, object, (.=))
import Data.ByteString (ByteString)
import qualified Data.ByteString.Lazy as Lazy
import Data.Maybe (fromMaybe)
import Data.Text (Text)
import qualified Data.Text as Text
import Data.Text.Encoding (decodeUtf8Lenient)
import Data.Time (UTCTime, getCurrentTime)
import Data.Time.Format.ISO8601 (iso8601ParseM)
import Greetings (Greetings, greetingIn, languages)
import Network.HTTP.Types (Status, hContentType, status200, status404)
import Network.Wai (Application, Response, pathInfo, queryString, responseLBS)
import Places (authorities, localTime)
import Visits (Visits, addVisit, countVisits, databaseVersion)

application :: Greetings -> Visits -> Application
application greetings visits request respond = case pathInfo request of
  [] -> facts >>= respond . json status200
  ["greet", language] -> case greetingIn language greetings of
    Just greeting -> greet greeting >>= respond . json status200
    Nothing -> respond (failure status404 ("no greeting in " <> language))
  ["healthz"] -> countVisits visits >> respond (text status200 "ok\n")
  _ -> respond (failure status404 "there is nothing here")
  where
    parameter name = decodeUtf8Lenient <$> (lookup name (queryString request) >>= id)
    greet greeting = do
      let name = fromMaybe "world" (parameter "name")
      count <- getCurrentTime >>= \now -> addVisit visits now (Text.unpack name)
      pure (object ["greeting" .= (greeting <> ", " <> name <> "!"), "visits" .= count])
    facts = do
      time <- maybe getCurrentTime pure (parameter "at" >>= parseTime)
      local <- localTime time
      version <- databaseVersion visits
      total <- countVisits visits
      trusted <- authorities
      pure
        ( object
            [ "visits" .= total
            , "languages" .= languages greetings
            , "time" .= object ["utc" .= time, "local" .= local]
            , "database" .= version
            , "authorities" .= trusted
            ]
        )

parseTime :: Text -> Maybe UTCTime
parseTime = iso8601ParseM . Text.unpack

json :: Status -> Value -> Response
json status value = answer status "application/json; charset=utf-8" (encode value <> "\n")

text :: Status -> Lazy.ByteString -> Response
text status = answer status "text/plain; charset=utf-8"

failure :: Status -> Text -> Response
failure status message = json status (object ["error" .= message])

answer :: Status -> ByteString -> Lazy.ByteString -> Response
answer status kind = responseLBS status [(hContentType, kind)]
