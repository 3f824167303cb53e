/* models/yolo/config.h - the description of a detector's input and head (docs/models.md). */
#ifndef MODELS_YOLO_CONFIG_H
#define MODELS_YOLO_CONFIG_H

#include <roto/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum head_kind {
    HEAD_YOLOX,     /* [1, n, 5 + classes]: offsets in the grid, objectness (Ge et al. 2021) */
    HEAD_YOLOV5,    /* [1, n, 5 + classes]: boxes in pixels, objectness */
    HEAD_YOLOV8,    /* [1, 4 + classes, n]: boxes in pixels, no objectness */
    HEAD_END_TO_END /* [1, n, 6]: corners in pixels, score, class; nothing left to suppress */
} head_kind;

enum { CONFIG_MAX_STRIDES = 8, CONFIG_MAX_CLASSES = 65536 };

typedef struct detector_config {
    int32_t width, height; /* of the network's input, pixels */
    bool bgr;
    double scale, mean[3], std[3]; /* (byte * scale - mean) / std, in the network's channel order */
    int32_t pad_value;             /* 0..255 */
    bool pad_centred;              /* else the picture is in the top left corner */
    head_kind head;
    char *output; /* ONNX name of the value that holds the head's result; NULL: the file's output */
    int32_t strides[CONFIG_MAX_STRIDES], n_strides; /* of HEAD_YOLOX */
    float min_score, nms_iou;
    char **classes;
    int32_t n_classes;
} detector_config;

/* Free with detector_config_free() even after a failure. */
roto_status detector_config_read(const char *path, detector_config *out);
roto_status detector_config_parse(const char *text, size_t bytes, const char *name,
                                  detector_config *out);
void detector_config_free(detector_config *config);

#endif
