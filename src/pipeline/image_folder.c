#include "pipeline/image_folder.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct image_folder {
    char *path;
    int64_t last; /* frame; -1: none */
    char last_stem[NAME_MAX + 1], file[PATH_MAX];
};

roto_status image_folder_open(const char *path, image_folder **out)
{
    *out = NULL;
    struct stat info;
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return roto_fail(ROTO_ERROR_IO, "%s: cannot create the folder: %s", path, strerror(errno));
    if (stat(path, &info) != 0)
        return roto_fail(ROTO_ERROR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return roto_fail(ROTO_ERROR_IO, "%s: is not a folder", path);
    if (access(path, W_OK | X_OK) != 0)
        return roto_fail(ROTO_ERROR_IO, "%s: cannot write into the folder: %s", path,
                         strerror(errno));
    image_folder *f = memory_new_array(1, sizeof(*f));
    if (!f)
        return ROTO_ERROR_MEMORY;
    f->last = -1;
    f->path = memory_copy_string(path);
    if (!f->path) {
        free(f);
        return ROTO_ERROR_MEMORY;
    }
    *out = f;
    return ROTO_OK;
}

void image_folder_free(image_folder *f)
{
    if (!f)
        return;
    free(f->path);
    free(f);
}

static void stem_of(const roto_frame *frame, char *stem, size_t bytes)
{
    if (!frame->name) {
        snprintf(stem, bytes, "%05lld", (long long)frame->index);
        return;
    }
    const char *dot = strrchr(frame->name, '.');
    const size_t length =
        dot && dot != frame->name ? (size_t)(dot - frame->name) : strlen(frame->name);
    snprintf(stem, bytes, "%.*s", (int)length, frame->name);
}

roto_status image_folder_name(image_folder *f, const roto_frame *frame, const char **path)
{
    char stem[NAME_MAX + 1];
    stem_of(frame, stem, sizeof(stem));
    if (f->last >= 0 && strcmp(stem, f->last_stem) == 0)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "%s: frames %lld and %lld would both be \"%s.png\"; their images have one "
                         "name apart from the extension",
                         f->path, (long long)f->last, (long long)frame->index, stem);
    const int n = snprintf(f->file, sizeof(f->file), "%s/%s.png", f->path, stem);
    if (n < 0 || (size_t)n >= sizeof(f->file))
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: the path of frame %lld's file is too long",
                         f->path, (long long)frame->index);
    memcpy(f->last_stem, stem, sizeof(stem));
    f->last = frame->index;
    *path = f->file;
    return ROTO_OK;
}
