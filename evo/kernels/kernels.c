/* The compiled kernels, one translation unit so that everything inlines. */
#include "fit.h"
#include "vary.h"
