{
  "targets": [
    {
      "target_name": "words",
      "type": "static_library",
      "sources": ["deps/words/words.c"]
    },
    {
      "target_name": "greeting",
      "dependencies": ["words"],
      "include_dirs": ["deps/words"],
      "sources": ["src/greeting.c"]
    }
  ]
}
