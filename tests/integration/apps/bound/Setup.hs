import Distribution.Simple (defaultMainWithHooks, simpleUserHooks, UserHooks (preBuild))

main :: IO ()
main = defaultMainWithHooks simpleUserHooks {preBuild = \arguments flags -> do
  writeFile "Hooked.hs" "module Hooked (hooked) where\nhooked :: String\nhooked = \"ran\"\n"
  preBuild simpleUserHooks arguments flags}
