-- | Visits, counted in an SQLite database.
module Visits (Visits, openVisits, addVisit, countVisits, databaseVersion) where

import Control.Concurrent.MVar (MVar, newMVar, withMVar)
import Data.Time (UTCTime)
import Database.HDBC (SqlValue, commit, fromSql, quickQuery', run, runRaw, toSql)
import Database.HDBC.Sqlite3 (Connection, connectSqlite3)

newtype Visits = Visits (MVar Connection)

-- | Open the database in a file, which is created where there is none.
openVisits :: FilePath -> IO Visits
openVisits file = do
  connection <- connectSqlite3 file
  runRaw connection "CREATE TABLE IF NOT EXISTS visit (at TEXT NOT NULL, name TEXT NOT NULL)"
  commit connection
  Visits <$> newMVar connection

-- | Record a visit and return how many there are of that name.
addVisit :: Visits -> UTCTime -> String -> IO Int
addVisit (Visits guarded) time name = withMVar guarded $ \connection -> do
  _ <- run connection "INSERT INTO visit VALUES (?, ?)" [toSql time, toSql name]
  commit connection
  number <$> quickQuery' connection "SELECT count(*) FROM visit WHERE name = ?" [toSql name]

countVisits :: Visits -> IO Int
countVisits (Visits guarded) = withMVar guarded $ \connection ->
  number <$> quickQuery' connection "SELECT count(*) FROM visit" []

databaseVersion :: Visits -> IO String
databaseVersion (Visits guarded) = withMVar guarded $ \connection ->
  concatMap (concatMap fromSql) <$> quickQuery' connection "SELECT sqlite_version()" []

number :: [[SqlValue]] -> Int
number rows = case rows of
  [[value]] -> fromSql value
  _ -> 0
