-- | What the machine must have for an answer to be right.
module Places (localTime, authorities) where

import Data.Text (Text)
import qualified Data.Text as Text
import Data.Time (UTCTime, defaultTimeLocale, formatTime, getTimeZone, utcToZonedTime)
import Data.X509.CertificateStore (listCertificates)
import System.X509 (getSystemCertificateStore)

-- | A time in the zone of the process, which the C library finds by @TZ@ in its database.
localTime :: UTCTime -> IO Text
localTime time = do
  zone <- getTimeZone time
  pure (Text.pack (formatTime defaultTimeLocale "%F %T %z" (utcToZonedTime zone time)))

-- | How many certificate authorities are trusted where the caller asks for none in particular.
authorities :: IO Int
authorities = length . listCertificates <$> getSystemCertificateStore
