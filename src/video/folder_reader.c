#include "base/error.h"
#include "base/memory.h"
#include "video/natural_order.h"
#include "video/source.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

typedef struct folder_reader {
    source_reader base; /* first */
    char *folder;       /* NULL for a single image */
    char **names;
    size_t n_names, next;
} folder_reader;

static bool is_image_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return name[0] != '.' && dot &&
           (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 ||
            strcasecmp(dot, ".jpeg") == 0);
}

static void folder_reader_close(source_reader *base)
{
    folder_reader *reader = (folder_reader *)base;
    for (size_t i = 0; i < reader->n_names; i++)
        free(reader->names[i]);
    free(reader->names);
    free(reader->folder);
    free(reader);
}

static roto_status folder_reader_read(source_reader *base, video_frame *frame)
{
    folder_reader *reader = (folder_reader *)base;
    if (reader->next == reader->n_names)
        return ROTO_END;
    const char *name = reader->names[reader->next];
    char *path = NULL;
    if (reader->folder && asprintf(&path, "%s/%s", reader->folder, name) < 0)
        return roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", name);
    roto_status status = roto_image_read(path ? path : name, &frame->shown.image, &frame->storage);
    free(path);
    if (status != ROTO_OK)
        return status;
    const char *slash = strrchr(name, '/');
    frame->shown.name = slash ? slash + 1 : name;
    frame->shown.time_s = (double)reader->next * base->frame_s;
    reader->next++;
    return ROTO_OK;
}

static roto_status add_name(folder_reader *reader, size_t *capacity, const char *name)
{
    if (!memory_grow((void **)&reader->names, capacity, reader->n_names + 1,
                     sizeof(*reader->names)))
        return ROTO_ERROR_MEMORY;
    char *copy = memory_copy_string(name);
    if (!copy)
        return ROTO_ERROR_MEMORY;
    reader->names[reader->n_names++] = copy;
    return ROTO_OK;
}

static roto_status list_images(folder_reader *reader)
{
    DIR *dir = opendir(reader->folder);
    if (!dir)
        return roto_fail(ROTO_ERROR_IO, "%s: cannot read the folder: %s", reader->folder,
                         strerror(errno));
    roto_status status = ROTO_OK;
    size_t capacity = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            if (errno)
                status = roto_fail(ROTO_ERROR_IO, "%s: cannot read the folder: %s", reader->folder,
                                   strerror(errno));
            break;
        }
        if (is_image_name(entry->d_name))
            status = add_name(reader, &capacity, entry->d_name);
        if (status != ROTO_OK)
            break;
    }
    closedir(dir);
    if (status == ROTO_OK && reader->n_names == 0)
        status = roto_fail(ROTO_ERROR_FORMAT, "%s: the folder has no .png, .jpg or .jpeg files",
                           reader->folder);
    if (status == ROTO_OK)
        qsort(reader->names, reader->n_names, sizeof(*reader->names), natural_order_compare);
    return status;
}

roto_status folder_reader_open(const char *input, const roto_source_params *params,
                               source_reader **out)
{
    *out = NULL;
    folder_reader *reader = memory_new_array(1, sizeof(*reader));
    if (!reader)
        return ROTO_ERROR_MEMORY;
    reader->base.read = folder_reader_read;
    reader->base.close = folder_reader_close;
    struct stat info;
    bool is_folder = stat(input, &info) == 0 && S_ISDIR(info.st_mode);
    size_t capacity = 0;
    roto_status status;
    if (is_folder) {
        reader->folder = memory_copy_string(input);
        status = reader->folder ? list_images(reader) : ROTO_ERROR_MEMORY;
    } else {
        status = add_name(reader, &capacity, input);
    }
    if (status != ROTO_OK) {
        folder_reader_close(&reader->base);
        return status;
    }
    reader->base.frame_s = 1 / params->folder_fps;
    const char *dot = strrchr(reader->names[0], '.');
    reader->base.info =
        (roto_source_info){.fps = params->folder_fps,
                           .n_frames = (int64_t)reader->n_names,
                           .duration_s = (double)reader->n_names * reader->base.frame_s,
                           .codec = dot && strcasecmp(dot, ".png") == 0 ? "png" : "jpeg",
                           .format = is_folder ? "folder" : "image"};
    *out = &reader->base;
    return ROTO_OK;
}
