/* progress.h - a line on the terminal that tells how far the run is. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <roto/run.h>

#include <stdbool.h>

typedef struct progress {
    bool shown; /* standard error is a terminal and nobody asked for quiet */
    bool drawn;
} progress;

progress progress_new(bool quiet);
void progress_update(progress *p, const roto_run_progress *state);
void progress_clear(progress *p); /* before other lines are printed */

#endif
