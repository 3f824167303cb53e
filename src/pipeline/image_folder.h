/* pipeline/image_folder.h - a folder that gets a PNG a frame, named as the input's image of that
 * frame, or 00000.png on. */
#ifndef PIPELINE_IMAGE_FOLDER_H
#define PIPELINE_IMAGE_FOLDER_H

#include <roto/video.h>

typedef struct image_folder image_folder;

/* Makes the folder when there is none. Files that are in it stay, unless a frame has their name. */
roto_status image_folder_open(const char *path, image_folder **out);
void image_folder_free(image_folder *f); /* NULL is fine */

/* The path of the frame's file, valid until the next call. Two frames in a row with one name (a.jpg
 * and a.png) are refused. */
roto_status image_folder_name(image_folder *f, const roto_frame *frame, const char **path);

#endif
