#include "backend/backend.h"
#include "base/cpu_features.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/team.h"
#include "format/onnx/onnx.h"
#include "models/yolo/config.h"
#include "models/yolo/head.h"
#include "models/yolo/letterbox.h"
#include "models/yolo/nms.h"

#include <roto/detect.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DETECTIONS = 100000, DESCRIPTION_BYTES = 256 };

struct roto_detector {
    detector_config config;
    detector_head head;
    onnx_model *model;
    letterbox *boxing;
    const backend_table *table;
    backend *device;
    int device_index;
    executable *net;
    float min_score, nms_iou;
    int32_t max_detections;
    uint8_t *keep; /* by class */
    candidate *candidates;
    roto_detection *detections;
    roto_kernel_time *kernels; /* of the latest profile */
    char description[DESCRIPTION_BYTES];
};

roto_compute_params roto_compute_params_default(void)
{
    return (roto_compute_params){.struct_bytes = sizeof(roto_compute_params), .device = "cpu"};
}

roto_detector_params roto_detector_params_default(void)
{
    return (roto_detector_params){.struct_bytes = sizeof(roto_detector_params),
                                  .compute = roto_compute_params_default(),
                                  .min_score = -1,
                                  .nms_iou = -1,
                                  .max_detections = 300};
}

/* -1 stands for the config's value. */
static roto_status check_share(const char *name, float value)
{
    if (value == -1 || (value >= 0 && value <= 1))
        return ROTO_OK;
    return roto_fail(ROTO_ERROR_ARGUMENT, "detector: %s is %g; it must be in 0..1, or -1", name,
                     (double)value);
}

static roto_status check_params(const roto_detector_params *p)
{
    if (p->struct_bytes != sizeof(*p) || p->compute.struct_bytes != sizeof(p->compute))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "detector: parameters of %zu bytes, not %zu; start from "
                         "roto_detector_params_default()",
                         p->struct_bytes, sizeof(*p));
    ROTO_TRY(check_share("min_score", p->min_score));
    ROTO_TRY(check_share("nms_iou", p->nms_iou));
    if (p->max_detections < 1 || p->max_detections > MAX_DETECTIONS)
        return roto_fail(ROTO_ERROR_ARGUMENT, "detector: max_detections is %d; it must be in 1..%d",
                         p->max_detections, MAX_DETECTIONS);
    if (p->compute.n_threads < 0 || p->compute.n_threads > TEAM_MAX_THREADS)
        return roto_fail(ROTO_ERROR_ARGUMENT, "detector: n_threads is %d; it must be in 0..%d",
                         p->compute.n_threads, TEAM_MAX_THREADS);
    if (p->compute.precision != ROTO_PRECISION_FP32 && p->compute.precision != ROTO_PRECISION_BF16)
        return roto_fail(ROTO_ERROR_ARGUMENT, "detector: unknown precision %d",
                         (int)p->compute.precision);
    if (!p->compute.device)
        return roto_fail(ROTO_ERROR_ARGUMENT, "detector: device is NULL; try \"cpu\"");
    return ROTO_OK;
}

/* MODEL.json beside MODEL.onnx. */
static char *config_path(const char *model_path)
{
    size_t length = strlen(model_path);
    if (length > 5 && strcmp(model_path + length - 5, ".onnx") == 0)
        length -= 5;
    char *path = memory_new_array(length + sizeof(".json"), 1);
    if (path) {
        memcpy(path, model_path, length);
        memcpy(path + length, ".json", sizeof(".json"));
    }
    return path;
}

static roto_status read_config(roto_detector *d, const char *model_path)
{
    char *path = config_path(model_path);
    if (!path)
        return ROTO_ERROR_MEMORY;
    roto_status status = detector_config_read(path, &d->config);
    free(path);
    return status == ROTO_OK ? ROTO_OK
                             : roto_fail_context(status, "the description of %s", model_path);
}

static roto_status read_model(roto_detector *d, const char *path)
{
    const detector_config *c = &d->config;
    const onnx_import_params params = {.batch = 1,
                                       .height = c->height,
                                       .width = c->width,
                                       .outputs = (const char *const[]){c->output},
                                       .n_outputs = c->output ? 1 : 0,
                                       .keep_output_order = true};
    ROTO_TRY(onnx_import(path, &params, &d->model));
    const onnx_port *in = d->model->n_inputs == 1 ? &d->model->inputs[0] : NULL;
    if (!in || in->shape.rank != 4 || in->shape.dim[1] != 3)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "%s: a detector takes one input, [1, 3, height, width]; this one takes %d",
                         path, d->model->n_inputs);
    if (d->model->n_outputs != 1)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "%s: it has %d outputs; name the one to use as head.output in the "
                         "description",
                         path, d->model->n_outputs);
    roto_status status = detector_head_init(c, &d->model->outputs[0], &d->head);
    return status == ROTO_OK ? ROTO_OK : roto_fail_context(status, "%s", path);
}

static roto_status compile(roto_detector *d, const roto_compute_params *compute)
{
    int n_threads = compute->n_threads ? compute->n_threads : cpu_features_detect().n_cores;
    n_threads = n_threads < 1 ? 1 : n_threads > TEAM_MAX_THREADS ? TEAM_MAX_THREADS : n_threads;
    const backend_params params = {
        .precision = compute->precision == ROTO_PRECISION_BF16 ? PRECISION_BF16 : PRECISION_FP32,
        .n_threads = n_threads,
        .device = d->device_index};
    ROTO_TRY(d->table->open(&params, &d->device));
    return d->table->compile(d->device, d->model->graph, &d->net);
}

static roto_status allocate(roto_detector *d)
{
    const size_t n = (size_t)d->head.n;
    const int32_t most = d->head.n < d->max_detections ? d->head.n : d->max_detections;
    d->candidates = memory_new_array(n, sizeof(*d->candidates));
    d->detections = memory_new_array((size_t)most, sizeof(*d->detections));
    d->keep = memory_new_array((size_t)d->config.n_classes, 1);
    if (!d->candidates || !d->detections || !d->keep)
        return ROTO_ERROR_MEMORY;
    return letterbox_new(&d->config, &d->boxing);
}

static void describe(roto_detector *d, const char *path, const roto_compute_params *compute)
{
    int64_t flops = 0;
    for (int i = 0; i < graph_n_nodes(d->model->graph); i++)
        flops += graph_node_flops(d->model->graph, graph_node_at(d->model->graph, i));
    const char *name = strrchr(path, '/');
    snprintf(d->description, sizeof(d->description),
             "%.80s: %d x %d input, %d classes, %.2f M weights, %.2f GFLOP, %.1f MB on %s (%s)",
             name ? name + 1 : path, d->config.width, d->config.height, d->config.n_classes,
             (double)d->model->n_weights * 1e-6, (double)flops * 1e-9,
             (double)d->table->memory_bytes(d->net) / (1 << 20), d->table->name,
             compute->precision == ROTO_PRECISION_BF16 ? "bf16" : "fp32");
}

static roto_status open_detector(roto_detector *d, const char *path, const roto_detector_params *p)
{
    ROTO_TRY(backend_choose(p->compute.device, &d->table, &d->device_index));
    ROTO_TRY(read_config(d, path));
    d->min_score = p->min_score == -1 ? d->config.min_score : p->min_score;
    d->nms_iou = p->nms_iou == -1 ? d->config.nms_iou : p->nms_iou;
    d->max_detections = p->max_detections;
    ROTO_TRY(read_model(d, path));
    ROTO_TRY(allocate(d));
    ROTO_TRY(roto_detector_keep(d, p->classes, p->n_classes));
    ROTO_TRY(compile(d, &p->compute));
    describe(d, path, &p->compute);
    return ROTO_OK;
}

roto_status roto_detector_open(const char *model_path, const roto_detector_params *params,
                               roto_detector **out)
{
    if (!out || !model_path)
        return roto_fail(ROTO_ERROR_ARGUMENT, "detector: a model's path and a place for the result "
                                              "have to be given");
    *out = NULL;
    const roto_detector_params defaults = roto_detector_params_default();
    const roto_detector_params *p = params ? params : &defaults;
    ROTO_TRY(check_params(p));
    roto_detector *d = memory_new_array(1, sizeof(*d));
    if (!d)
        return ROTO_ERROR_MEMORY;
    roto_status status = open_detector(d, model_path, p);
    if (status != ROTO_OK) {
        roto_detector_close(d);
        return status;
    }
    *out = d;
    return ROTO_OK;
}

void roto_detector_close(roto_detector *d)
{
    if (!d)
        return;
    if (d->net)
        d->table->release(d->net);
    if (d->device)
        d->table->close(d->device);
    onnx_model_free(d->model);
    letterbox_free(d->boxing);
    detector_config_free(&d->config);
    free(d->kernels);
    free(d->keep);
    free(d->candidates);
    free(d->detections);
    free(d);
}

int32_t roto_detector_n_classes(const roto_detector *detector)
{
    return detector ? detector->config.n_classes : 0;
}

const char *roto_detector_class_name(const roto_detector *detector, int32_t class_id)
{
    if (!detector || class_id < 0 || class_id >= detector->config.n_classes)
        return NULL;
    return detector->config.classes[class_id];
}

int32_t roto_detector_class_find(const roto_detector *detector, const char *name)
{
    for (int32_t i = 0; detector && name && i < detector->config.n_classes; i++) {
        if (strcmp(detector->config.classes[i], name) == 0)
            return i;
    }
    return -1;
}

roto_status roto_detector_keep(roto_detector *detector, const int32_t *classes, int32_t n)
{
    if (!detector || (classes && n < 1))
        return roto_fail(ROTO_ERROR_ARGUMENT, "detector: %s",
                         detector ? "a list of classes has to name at least one" : "it is NULL");
    const int32_t n_classes = detector->config.n_classes;
    for (int32_t i = 0; classes && i < n; i++) {
        if (classes[i] < 0 || classes[i] >= n_classes)
            return roto_fail(ROTO_ERROR_ARGUMENT, "detector: class %d; there are 0..%d", classes[i],
                             n_classes - 1);
    }
    memset(detector->keep, classes ? 0 : 1, (size_t)n_classes);
    for (int32_t i = 0; classes && i < n; i++)
        detector->keep[classes[i]] = 1;
    return ROTO_OK;
}

static float clip(double value, double most)
{
    return (float)(value < 0 ? 0 : value > most ? most : value);
}

/* Back to pixels of the image; false when nothing of the box is inside. */
static bool map_box(const letterbox_place *p, const roto_image *image, const roto_box *in,
                    roto_box *out)
{
    out->x0 = clip(((double)in->x0 - p->left) * p->image_px_x, image->width);
    out->y0 = clip(((double)in->y0 - p->top) * p->image_px_y, image->height);
    out->x1 = clip(((double)in->x1 - p->left) * p->image_px_x, image->width);
    out->y1 = clip(((double)in->y1 - p->top) * p->image_px_y, image->height);
    return out->x0 < out->x1 && out->y0 < out->y1;
}

roto_status roto_detector_run(roto_detector *detector, const roto_image *image,
                              const roto_detection **detections, int32_t *n_detections)
{
    if (!detector || !detections || !n_detections)
        return roto_fail(ROTO_ERROR_ARGUMENT, "detector: a detector, an image and places for the "
                                              "result have to be given");
    *detections = NULL;
    *n_detections = 0;
    ROTO_TRY(roto_image_check(image));
    roto_detector *d = detector;
    const letterbox_place place = letterbox_fill(d->boxing, image, d->table->input(d->net, 0));
    ROTO_TRY(d->table->run(d->net));
    int32_t n = detector_head_decode(&d->head, d->table->output(d->net, 0), d->min_score, d->keep,
                                     d->candidates);
    /* End-to-end heads have been trained to give one box an object. */
    const float iou = d->config.head == HEAD_END_TO_END ? 1 : d->nms_iou;
    n = nms_keep_best(d->candidates, n, iou, d->max_detections);
    int32_t n_inside = 0;
    for (int32_t i = 0; i < n; i++) {
        const candidate *c = &d->candidates[i];
        roto_detection *to = &d->detections[n_inside];
        if (map_box(&place, image, &c->box, &to->box)) {
            to->score = fminf(c->score, 1);
            to->class_id = c->class_id;
            n_inside++;
        }
    }
    *detections = d->detections;
    *n_detections = n_inside;
    return ROTO_OK;
}

roto_status roto_detector_profile(roto_detector *d, const roto_kernel_time **kernels,
                                  int32_t *n_kernels)
{
    if (!d || !kernels || !n_kernels)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "detector: a detector and places for the kernels have "
                         "to be given");
    const kernel_info *infos;
    int n;
    ROTO_TRY(d->table->profile(d->net, &infos, &n));
    roto_kernel_time *list = memory_new_array((size_t)n, sizeof(*list));
    if (!list)
        return ROTO_ERROR_MEMORY;
    for (int i = 0; i < n; i++)
        list[i] = (roto_kernel_time){.node = infos[i].node ? infos[i].node : "",
                                     .op = op_name(infos[i].op),
                                     .kernel = infos[i].kernel,
                                     .flops = infos[i].flops,
                                     .seconds = infos[i].seconds};
    free(d->kernels);
    d->kernels = list;
    *kernels = list;
    *n_kernels = n;
    return ROTO_OK;
}

const char *roto_detector_describe(const roto_detector *detector)
{
    return detector ? detector->description : "";
}
