/* backend/cuda/module/picture.h - inputs made of pictures on the device. */
#ifndef BACKEND_CUDA_MODULE_PICTURE_H
#define BACKEND_CUDA_MODULE_PICTURE_H

#include "backend/picture.h"

/* An entry of backend_table. */
roto_status cuda_picture_show(backend *b, backend_queue queue, const picture_view *views, int n);

#endif
