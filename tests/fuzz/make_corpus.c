/* Writes good files for the fuzzers to start from, one folder a fuzzer: make_corpus FOLDER. */
#include "format/file.h"
#include "format/npy.h"
#include "format/safetensors.h"
#include "format/torch/zip.h"

#include <roto/image.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int put(const char *root, const char *kind, const char *name, const void *data, size_t bytes)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", root, kind);
    mkdir(path, 0777);
    snprintf(path, sizeof(path), "%s/%s/%s", root, kind, name);
    FILE *file = fopen(path, "wb");
    if (!file)
        return 1;
    const int bad = fwrite(data, 1, bytes, file) != bytes;
    return fclose(file) != 0 || bad;
}

static int put_file(const char *root, const char *kind, const char *name, const char *from)
{
    file_bytes file;
    if (file_read(from, (size_t)1 << 24, &file) != ROTO_OK)
        return 1;
    const int bad = put(root, kind, name, file.data, file.bytes);
    file_release(&file);
    return bad;
}

/* Files of torch.save(), the pickle in one of them, and an index of shards. */
static int put_torch(const char *root)
{
    static const char folder[] = ROTO_SOURCE_DIR "/tests/format/golden";
    static const char *const names[] = {"every_kind", "module", "expanded", "object", "legacy"};
    static const char index[] = "{\"metadata\":{\"total_size\":8},\"weight_map\":"
                                "{\"a.b\":\"1.safetensors\",\"c\":\"2.safetensors\"}}";
    int bad = put(root, "shard_index", "two", index, sizeof(index) - 1);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[1024], pickle[64];
        snprintf(path, sizeof(path), "%s/%s.pt", folder, names[i]);
        snprintf(pickle, sizeof(pickle), "%s/data.pkl", names[i]);
        bad |= put_file(root, "torch_file", names[i], path);
        file_bytes file;
        zip_archive zip;
        if (file_read(path, (size_t)1 << 24, &file) != ROTO_OK)
            return 1;
        if (zip_open(file.data, file.bytes, path, &zip) == ROTO_OK) {
            const zip_entry *e = zip_find(&zip, pickle, strlen(pickle));
            bad |= !e || put(root, "pickle", names[i], e->data, e->bytes);
            zip_close(&zip);
        }
        file_release(&file);
    }
    return bad;
}

/* What earlier runs found to reach further, by "KIND/NAME" (found.safetensors). */
static int put_found(const char *root)
{
    safetensors *file;
    if (safetensors_open(ROTO_SOURCE_DIR "/tests/fuzz/found.safetensors", &file) != ROTO_OK)
        return 1;
    int bad = 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const safetensor *t = safetensors_at(file, i);
        const char *slash = strchr(t->name, '/');
        char kind[64];
        if (!slash || (size_t)(slash - t->name) >= sizeof(kind)) {
            bad = 1;
            continue;
        }
        memcpy(kind, t->name, (size_t)(slash - t->name));
        kind[slash - t->name] = 0;
        bad |= put(root, kind, slash + 1, t->data, t->bytes);
    }
    safetensors_close(file);
    return bad;
}

int main(int argc, char **argv)
{
    static const char golden[] = ROTO_SOURCE_DIR "/tests/format/golden/onnx.safetensors";
    const char *root = argc > 1 ? argv[1] : "corpus";
    safetensors *file;
    char path[1024];
    int bad = 0;
    mkdir(root, 0777);
    if (safetensors_open(golden, &file) != ROTO_OK) {
        fprintf(stderr, "%s\n", roto_error_message());
        return 1;
    }
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const safetensor *t = safetensors_at(file, i);
        if (strstr(t->name, ".model"))
            bad |= put(root, "onnx", t->name, t->data, t->bytes);
    }
    const safetensor *some = safetensors_at(file, 0);
    bad |= put(root, "npy", "empty", "", 0); /* makes the folder */
    snprintf(path, sizeof(path), "%s/npy/a.npy", root);
    bad |= npy_write(path, DTYPE_U8, &some->shape, some->data) != ROTO_OK;
    const safetensor small[] = {*safetensors_find(file, "pad.in"),
                                *safetensors_find(file, "pad.out")};
    const safetensors_note note = {"config", "{}"};
    bad |= put(root, "safetensors", "empty", "", 0);
    snprintf(path, sizeof(path), "%s/safetensors/small", root);
    bad |= safetensors_write(path, small, 2, &note, 1) != ROTO_OK;
    bad |= put_file(root, "detector_config", "yolox",
                    ROTO_SOURCE_DIR "/assets/models/yolox_nano.json");
    /* One rectangle of 19 x 13 pixels, and a mask of two objects. */
    bad |= put(root, "rle", "rectangle", "g1490000000000000h2", 19);
    uint8_t ids[19 * 13] = {[30] = 1, [31] = 1, [60] = 2};
    const roto_image image = {.width = 19,
                              .height = 13,
                              .format = ROTO_PIXEL_GRAY8,
                              .plane = {ids},
                              .stride_bytes = {19}};
    bad |= put(root, "image_ids", "empty", "", 0);
    snprintf(path, sizeof(path), "%s/image_ids/two", root);
    bad |= roto_image_write_ids(path, &image) != ROTO_OK;
    safetensors_close(file);
    return bad | put_torch(root) | put_found(root);
}
