/* track/evidence.h - how sure it is that an object is there, in detections of score 1.
 *
 * A detection of high_score or more adds a little and up to 1 more as its score lies between
 * high_score and 1; others add nothing, they only carry the object on. A frame that was searched
 * without finding it takes as much as an object needs to be reported. So strong detections are
 * believed soon and weak or flickering ones late: detectors repeat their finds more often than
 * their mistakes. */
#ifndef TRACK_EVIDENCE_H
#define TRACK_EVIDENCE_H

/* What an object needs to be reported after confirm_hits detections of scores near 1. */
float evidence_needed(int confirm_hits);

/* Evidence after a detection; kept within a few times what is needed. */
float evidence_add(float evidence, float needed, float score, float high_score);

/* Evidence after a frame in which it was looked for and not found. */
float evidence_take(float evidence, float needed);

#endif
