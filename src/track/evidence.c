#include "track/evidence.h"

#include <math.h>

static const float LEAST_EVIDENCE = 0.05f;
static const float EVIDENCE_PER_HIT = 1.25f; /* needed for each of confirm_hits beyond the first */
static const float EVIDENCE_LIMIT = 3;       /* of what is needed is kept at most */

float evidence_needed(int confirm_hits)
{
    return EVIDENCE_PER_HIT * (float)(confirm_hits - 1);
}

float evidence_add(float evidence, float needed, float score, float high_score)
{
    if (score >= high_score)
        evidence += LEAST_EVIDENCE + (high_score < 1 ? (score - high_score) / (1 - high_score) : 1);
    return fminf(evidence, EVIDENCE_LIMIT * needed);
}

float evidence_take(float evidence, float needed)
{
    return fmaxf(0, evidence - needed);
}
