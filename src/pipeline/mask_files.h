/* pipeline/mask_files.h - masks_path and matte_path of a run: a PNG of ids a frame, and a matte as
 * a folder of PNG or as a video. */
#ifndef PIPELINE_MASK_FILES_H
#define PIPELINE_MASK_FILES_H

#include "pipeline/label_map.h"

#include <stdbool.h>

typedef struct mask_files mask_files;

/* Opens what `params` names; nothing stays open on failure. *out is NULL when that is nothing. */
roto_status mask_files_open(const roto_run_params *params, const roto_source_info *info,
                            mask_files **out);

/* Whether label_map_make() is needed before a write. */
bool mask_files_need_map(const mask_files *f); /* false for NULL */

roto_status mask_files_write(mask_files *f, const roto_frame *frame, const frame_objects *objects,
                             label_map *map);

roto_status mask_files_close(mask_files *f); /* frees, whatever happens; NULL is fine */

#endif
