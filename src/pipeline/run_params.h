/* pipeline/run_params.h - refuses wrong parameters before any work. */
#ifndef PIPELINE_RUN_PARAMS_H
#define PIPELINE_RUN_PARAMS_H

#include <roto/run.h>

roto_status run_params_check(const roto_run_params *params);

#endif
