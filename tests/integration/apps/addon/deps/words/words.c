#include "words.h"

const char *words(void) { return "compiled with a library of its own"; }
