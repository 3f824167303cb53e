/* track/ranking.h - the best detections of a frame in an order that does not depend on theirs. */
#ifndef TRACK_RANKING_H
#define TRACK_RANKING_H

#include <roto/detect.h>

/* Copies the `keep` best-scoring of `n` detections (all of them if there are fewer) to `best`, best
 * first; equal scores are told apart by class and box. Returns how many. O(n log keep), no
 * allocation. */
int ranking_best(const roto_detection *detections, int n, roto_detection *best, int keep);

#endif
