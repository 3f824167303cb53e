/* models/yolo/nms.h - greedy non-maximum suppression. */
#ifndef MODELS_YOLO_NMS_H
#define MODELS_YOLO_NMS_H

#include "models/yolo/head.h"

/* Sorts by falling score, keeps at most `most` of those that overlap no better one of their class
 * by more than `iou`, moves them to the front and returns their number. Allocates nothing. */
int32_t nms_keep_best(candidate *items, int32_t n, float iou, int32_t most);

#endif
