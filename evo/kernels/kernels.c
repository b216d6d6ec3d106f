/* The compiled kernels, one translation unit so that everything inlines. */
#include "program.h"

#include "functions.h" /* generated from evo/kernels/layout.py */

#include "degrees.h"
#include "enumerate.h"
#include "fit.h"
#include "vary.h"
