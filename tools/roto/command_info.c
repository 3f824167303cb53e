#include "command_line.h"
#include "commands.h"
#include "compute_options.h"
#include "exit_code.h"
#include "failure.h"

#include <roto/roto.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_DEVICES = 16 };

static const char name[] = "roto info";

static int print_build(void)
{
    roto_device_info devices[MAX_DEVICES];
    int32_t n = 0;
    roto_status status = roto_device_list(devices, MAX_DEVICES, &n);
    if (status != ROTO_OK)
        return failure_report(name, status);
    printf("roto %s\n", roto_version());
    for (int32_t i = 0; i < n && i < MAX_DEVICES; i++)
        printf("device     %s: %s\n", devices[i].name, devices[i].description);
    return EXIT_OK;
}

static int print_model(const compute_options *o, const roto_compute_params *compute, bool classes)
{
    roto_detector_params params = roto_detector_params_default();
    params.compute = *compute;
    roto_detector *detector = NULL;
    roto_status status = roto_detector_open(o->model_path.text, &params, &detector);
    if (status != ROTO_OK)
        return failure_report(name, status);
    int32_t n = roto_detector_n_classes(detector);
    printf("model      %s\n           %s\n           %d classes%s", o->model_path.text,
           roto_detector_describe(detector), n, classes ? ":" : "; --classes lists them");
    for (int32_t i = 0; classes && i < n; i++)
        printf("%s%s", i ? ", " : " ", roto_detector_class_name(detector, i));
    printf("\n");
    roto_detector_close(detector);
    return EXIT_OK;
}

static int print_video(const char *path)
{
    roto_source *source = NULL;
    roto_status status = roto_source_open(path, NULL, &source);
    if (status != ROTO_OK)
        return failure_report(name, status);
    const roto_source_info *info = roto_source_describe(source);
    printf("video      %s\n           %dx%d, %s in %s", path, info->width, info->height,
           info->codec, info->format);
    if (info->fps > 0)
        printf(", %.6g frames/s", info->fps);
    if (info->n_frames > 0)
        printf(", about %lld frames", (long long)info->n_frames);
    if (info->duration_s > 0)
        printf(", %.2f s", info->duration_s);
    if (info->rotation_deg)
        printf(", turned by %d degrees to be upright", info->rotation_deg);
    printf("\n");
    roto_source_close(source);
    return EXIT_OK;
}

/* What a frame costs, and one object in it; a frame's shape makes little difference. */
static roto_status print_parts(const roto_segmenter *segmenter)
{
    roto_segmenter_part parts[ROTO_SEGMENTER_MAX_PARTS];
    int32_t n = 0;
    roto_status status = roto_segmenter_parts(segmenter, 1280, 720, parts, &n);
    if (status != ROTO_OK)
        return status;
    printf("           %-18s %12s %10s %10s\n", "", "parameters", "GFLOP", "MB");
    for (int32_t i = 0; i < n; i++)
        printf("           %-18s %12lld %10.2f %10.1f\n", parts[i].name,
               (long long)parts[i].n_parameters, (double)parts[i].flops / 1e9,
               (double)parts[i].memory_bytes / 1e6);
    return ROTO_OK;
}

static int print_segmenter(const char *path, const roto_compute_params *compute)
{
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute = *compute;
    roto_segmenter *segmenter = NULL;
    roto_status status = roto_segmenter_open(path, &params, &segmenter);
    if (status != ROTO_OK)
        return failure_report(name, status);
    printf("segmenter  %s\n           %s\n", path, roto_segmenter_describe(segmenter));
    status = print_parts(segmenter);
    roto_segmenter_close(segmenter);
    return failure_report(name, status);
}

static bool ends_in(const char *path, const char *extension)
{
    size_t length = strlen(path), tail = strlen(extension);
    return length > tail && strcmp(path + length - tail, extension) == 0;
}

/* As Hugging Face keeps a model; any other folder is one of images. */
static bool is_model_folder(const char *path)
{
    static const char *const files[] = {"model.safetensors", "model.safetensors.index.json"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        path_text file;
        const int n = snprintf(file.text, sizeof(file.text), "%s/%s", path, files[i]);
        if (n > 0 && (size_t)n < sizeof(file.text) && access(file.text, F_OK) == 0)
            return true;
    }
    return false;
}

static bool is_segmenter(const char *path)
{
    static const char *const endings[] = {".safetensors", ".safetensors.index.json", ".pt", ".pth"};
    if (is_model_folder(path))
        return true;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
        if (ends_in(path, endings[i]))
            return true;
    return false;
}

int command_info(int argc, char **argv)
{
    compute_options compute = {0};
    bool classes = false;
    option options[4 + N_COMPUTE_OPTIONS] = {
        option_flag("--classes", "list the classes that the model knows", &classes),
    };
    compute_options_append(&compute, options);
    const command_line c = {
        .name = name,
        .operands = "[FILE...]",
        .about = "Tells about each FILE: a detector (.onnx), a segmenter (.safetensors, .pt, or\n"
                 "a folder with model.safetensors or its index) part by part, or what roto track\n"
                 "takes as input.\n"
                 "Without one: about this build, the devices and the default model.",
        .examples = "  roto info\n"
                    "  roto info match.mp4\n"
                    "  roto info mine.onnx --classes\n"
                    "  roto info roto_s.safetensors\n",
        .options = options,
        .most_operands = 1024,
    };
    int n_operands;
    int code = command_line_parse(&c, argc, argv, &n_operands);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    roto_compute_params params = roto_compute_params_default();
    bool about_build = n_operands == 0;
    code = about_build ? print_build() : EXIT_OK;
    for (int i = 0; i < n_operands || (i == 0 && about_build); i++) {
        int one;
        if (!about_build && is_segmenter(argv[i])) {
            path_text path;
            compute_options_set_device(&compute, &params);
            one = environment_find_model(argv[i], DEFAULT_SEGMENTER, &path)
                      ? print_segmenter(path.text, &params)
                      : command_line_refuse(&c, "the path of the model is longer than %d bytes",
                                            PATH_BYTES);
        } else if (about_build || ends_in(argv[i], ".onnx")) {
            if (!about_build)
                compute.model = argv[i];
            one = compute_options_apply(&compute, &c, &params);
            if (one == COMMAND_LINE_GO_ON)
                one = print_model(&compute, &params, classes);
        } else {
            one = print_video(argv[i]);
        }
        if (one != EXIT_OK)
            code = one;
    }
    if (fflush(stdout) != 0 && code == EXIT_OK)
        code = failure_report_file(name, "write", "standard output");
    return code;
}
