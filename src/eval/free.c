#include <roto/eval.h>

#include <stdlib.h>

void roto_eval_free(void *scores)
{
    free(scores);
}
