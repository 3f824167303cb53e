/* track/track_check.h - refuses parameters and frames that following cannot use. */
#ifndef TRACK_TRACK_CHECK_H
#define TRACK_TRACK_CHECK_H

#include <roto/track.h>
#include <stdbool.h>

/* `who` starts every message. */
roto_status check_share(const char *who, const char *name, float value);
roto_status check_count(const char *who, const char *name, int32_t value, int32_t least,
                        int32_t most);
roto_status check_seconds(const char *who, const char *name, double value);
roto_status check_tracker_params(const char *who, const roto_tracker_params *p);

/* A frame's detections and times; `latest` is the time of the frame before, NULL on the first. */
roto_status check_detections(const char *who, const roto_detection *detections, int32_t n);
roto_status check_times(const char *who, double time_s, double frame_s, const double *latest);

#endif
