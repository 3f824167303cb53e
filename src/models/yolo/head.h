/* models/yolo/head.h - from a network's raw output to boxes. */
#ifndef MODELS_YOLO_HEAD_H
#define MODELS_YOLO_HEAD_H

#include "format/onnx/onnx.h"
#include "models/yolo/config.h"

#include <roto/detect.h>

/* A box in pixels of the network's input. */
typedef struct candidate {
    roto_box box;
    float score;
    int32_t class_id;
    int32_t index; /* of the prediction; ties of scores are decided by it */
} candidate;

typedef struct detector_head {
    const detector_config *config;
    int32_t n;            /* predictions */
    int64_t step, stride; /* elements from one prediction to the next, and between its values */
} detector_head;

/* Checks that the output fits the head's kind and the number of classes. */
roto_status detector_head_init(const detector_config *config, const onnx_port *output,
                               detector_head *out);

/* Predictions of at least min_score whose class is kept (`keep`: a byte a class), in any order; at
 * most head->n. What is not finite is dropped. */
int32_t detector_head_decode(const detector_head *head, const float *output, float min_score,
                             const uint8_t *keep, candidate *out);

#endif
