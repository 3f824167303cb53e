/* roto/detect.h - object detection in single images. */
#ifndef ROTO_DETECT_H
#define ROTO_DETECT_H

#include <roto/image.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where and how a network runs. */
typedef enum roto_precision {
    ROTO_PRECISION_FP32 = 0,
    ROTO_PRECISION_BF16 = 1 /* matrix products in bfloat16 with fp32 sums, where the CPU has it */
} roto_precision;

typedef struct roto_compute_params {
    size_t struct_bytes; /* sizeof(roto_compute_params), set by roto_compute_params_default */
    const char *device;  /* "cpu", "reference" (slow, defines the results), "cuda" or "cuda:N" */
    roto_precision precision;
    int32_t n_threads; /* 0: one per available core; at most 256 */
} roto_compute_params;

ROTO_API roto_compute_params roto_compute_params_default(void);

/* An axis-aligned box in pixels of the image: 0,0 is the corner of the top left pixel. x0 < x1. */
typedef struct roto_box {
    float x0, y0, x1, y1;
} roto_box;

typedef struct roto_detection {
    roto_box box;
    float score;      /* 0..1 */
    int32_t class_id; /* index into the model's class names */
} roto_detection;

typedef struct roto_detector roto_detector;

typedef struct roto_detector_params {
    size_t struct_bytes;
    roto_compute_params compute;
    float min_score; /* detections below it are dropped; default from the model's config, given as
                        -1 */
    float nms_iou;   /* class-aware suppression above it, 0..1; -1: the model's config */
    const int32_t *classes; /* keep only these; NULL keeps all. Copied. */
    int32_t n_classes;
    int32_t max_detections; /* per image, best first; default 300 */
} roto_detector_params;

ROTO_API roto_detector_params roto_detector_params_default(void);

/* Loads MODEL.onnx and the head's description MODEL.json beside it (see docs/models.md).
 * params may be NULL. */
ROTO_API roto_status roto_detector_open(const char *model_path, const roto_detector_params *params,
                                        roto_detector **out);
ROTO_API void roto_detector_close(roto_detector *detector); /* NULL is fine */

/* Class names in the model's order, and the index of a name (-1 when there is none). */
ROTO_API int32_t roto_detector_n_classes(const roto_detector *detector);
ROTO_API const char *roto_detector_class_name(const roto_detector *detector, int32_t class_id);
ROTO_API int32_t roto_detector_class_find(const roto_detector *detector, const char *name);

/* Changes which classes are kept: `n` ids, or all of them with classes == NULL. */
ROTO_API roto_status roto_detector_keep(roto_detector *detector, const int32_t *classes, int32_t n);

/* Detects in one image. *detections is sorted by falling score, belongs to the detector and is
 * valid until the next call. One call at a time per detector. No heap allocation after the first
 * call. */
ROTO_API roto_status roto_detector_run(roto_detector *detector, const roto_image *image,
                                       const roto_detection **detections, int32_t *n_detections);

/* A copy of the picture as RGB8 with boxes, class names and scores drawn in. *out views memory
 * owned by *storage; free that with roto_image_free(). */
ROTO_API roto_status roto_detector_draw(const roto_detector *detector, const roto_image *image,
                                        const roto_detection *detections, int32_t n_detections,
                                        roto_image *out, void **storage);

/* A kernel of the network as it runs; the strings live as long as the detector. */
typedef struct roto_kernel_time {
    const char *node;   /* the operator's name in the model */
    const char *op;     /* "conv2d" */
    const char *kernel; /* what the device runs for it */
    int64_t flops;      /* a multiply-add is two */
    double seconds;
} roto_kernel_time;

/* Runs the network once on the latest image's input, timing every kernel. *kernels is in the order
 * of execution, belongs to the detector and is valid until the next call. */
ROTO_API roto_status roto_detector_profile(roto_detector *detector,
                                           const roto_kernel_time **kernels, int32_t *n_kernels);

/* One line of facts for people: input size, parameters, FLOPs, memory. Valid while the detector is.
 */
ROTO_API const char *roto_detector_describe(const roto_detector *detector);

#ifdef __cplusplus
}
#endif
#endif
