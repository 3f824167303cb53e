/* Constants: decoding the file's tensors, and memory for those computed while importing. */
#include "format/onnx/internal.h"

#include "format/half.h"

#include <math.h>
#include <string.h>

static const char *tensor_name(const Onnx__Tensor *t)
{
    return t->name ? t->name : "";
}

static size_t element_bytes(int type)
{
    switch (type) {
    case ONNX_UINT8:
    case ONNX_INT8:
    case ONNX_BOOL:
        return 1;
    case ONNX_UINT16:
    case ONNX_INT16:
    case ONNX_FLOAT16:
    case ONNX_BFLOAT16:
        return 2;
    case ONNX_FLOAT:
    case ONNX_INT32:
    case ONNX_UINT32:
        return 4;
    case ONNX_DOUBLE:
    case ONNX_INT64:
    case ONNX_UINT64:
        return 8;
    default:
        return 0;
    }
}

static bool is_float(int type)
{
    return type == ONNX_FLOAT || type == ONNX_FLOAT16 || type == ONNX_BFLOAT16 ||
           type == ONNX_DOUBLE;
}

int64_t constant_count(const tensor_shape *shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        count *= shape->dim[i];
    return count;
}

void constant_strides(const tensor_shape *shape, int64_t *stride)
{
    int64_t step = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape->dim[i];
    }
}

bool constant_scalar(const onnx_value *v, double *out)
{
    if (v->kind != VALUE_CONSTANT || constant_count(&v->shape) != 1)
        return false;
    *out = v->f32 ? (double)v->f32[0] : (double)v->i64[0];
    return true;
}

bool constant_shape_valid(const tensor_shape *shape, int64_t *count)
{
    /* Products must not overflow even when a dimension of 0 hides them. */
    int64_t product = 1;
    *count = 1;
    for (int i = 0; i < shape->rank; i++) {
        const int64_t dim = shape->dim[i];
        if (dim < 0 || (dim > 0 && __builtin_mul_overflow(product, dim, &product)) ||
            product > SHAPE_MAX_ELEMENTS)
            return false;
        *count *= dim;
    }
    return true;
}

static roto_status reserve(importer *im, const tensor_shape *shape, int64_t *count)
{
    if (!constant_shape_valid(shape, count) || *count > im->constant_elements)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "constants of the graph grow to more than the file could mean");
    im->constant_elements -= *count;
    return ROTO_OK;
}

roto_status constant_new_f32(importer *im, const tensor_shape *shape, onnx_value *out, float **data)
{
    int64_t count;
    ROTO_TRY(reserve(im, shape, &count));
    *data = memory_arena_alloc(im->arena, ((size_t)count + 1) * sizeof(float));
    if (!*data)
        return ROTO_ERROR_MEMORY;
    *out = (onnx_value){.kind = VALUE_CONSTANT, .shape = *shape, .f32 = *data, .id = TENSOR_NONE};
    return ROTO_OK;
}

roto_status constant_new_i64(importer *im, const tensor_shape *shape, onnx_value *out,
                             int64_t **data)
{
    int64_t count;
    ROTO_TRY(reserve(im, shape, &count));
    *data = memory_arena_alloc(im->arena, ((size_t)count + 1) * sizeof(int64_t));
    if (!*data)
        return ROTO_ERROR_MEMORY;
    *out = (onnx_value){.kind = VALUE_CONSTANT, .shape = *shape, .i64 = *data, .id = TENSOR_NONE};
    return ROTO_OK;
}

static roto_status tensor_shape_of(const Onnx__Tensor *t, tensor_shape *shape, int64_t *count)
{
    if (t->n_dims > TENSOR_MAX_RANK)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "tensor '%s' has %zu dimensions; at most %d",
                         tensor_name(t), t->n_dims, TENSOR_MAX_RANK);
    shape->rank = (int)t->n_dims;
    for (int i = 0; i < shape->rank; i++)
        shape->dim[i] = t->dims[i];
    if (!constant_shape_valid(shape, count)) {
        char text[SHAPE_TEXT_BYTES];
        return roto_fail(ROTO_ERROR_FORMAT, "tensor '%s' has the shape %s", tensor_name(t),
                         shape_text(shape, text));
    }
    return ROTO_OK;
}

/* How many elements the tensor has in the typed field that belongs to its type. */
static size_t typed_elements(const Onnx__Tensor *t)
{
    switch (t->data_type) {
    case ONNX_FLOAT:
        return t->n_float_data;
    case ONNX_DOUBLE:
        return t->n_double_data;
    case ONNX_INT64:
        return t->n_int64_data;
    case ONNX_UINT32:
    case ONNX_UINT64:
        return t->n_uint64_data;
    default:
        return t->n_int32_data;
    }
}

static float decode_float(const Onnx__Tensor *t, const uint8_t *raw, size_t i)
{
    uint16_t half = 0;
    double wide;
    float value;
    switch (t->data_type) {
    case ONNX_DOUBLE:
        if (raw)
            memcpy(&wide, raw + i * sizeof(wide), sizeof(wide));
        else
            wide = t->double_data[i];
        return (float)wide;
    case ONNX_FLOAT16:
    case ONNX_BFLOAT16:
        if (raw)
            memcpy(&half, raw + i * sizeof(half), sizeof(half));
        else
            half = (uint16_t)t->int32_data[i];
        return t->data_type == ONNX_FLOAT16 ? float_from_half(half) : float_from_bf16(half);
    default:
        if (raw)
            memcpy(&value, raw + i * sizeof(value), sizeof(value));
        else
            value = t->float_data[i];
        return value;
    }
}

static int64_t decode_int(const Onnx__Tensor *t, const uint8_t *raw, size_t i)
{
    if (!raw) {
        switch (t->data_type) {
        case ONNX_INT64:
            return t->int64_data[i];
        case ONNX_UINT32:
        case ONNX_UINT64:
            return (int64_t)t->uint64_data[i];
        default:
            return t->int32_data[i];
        }
    }
    uint64_t bits = 0; /* ONNX is little endian, and so are all machines that roto runs on */
    memcpy(&bits, raw + i * element_bytes(t->data_type), element_bytes(t->data_type));
    switch (t->data_type) {
    case ONNX_INT8:
        return (int8_t)bits;
    case ONNX_INT16:
        return (int16_t)bits;
    case ONNX_INT32:
        return (int32_t)bits;
    default:
        return (int64_t)bits;
    }
}

static roto_status check_finite(const Onnx__Tensor *t, const float *data, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(data[i]))
            return roto_fail(ROTO_ERROR_FORMAT,
                             "tensor '%s' holds %s at element %lld; weights have to be finite",
                             tensor_name(t), isnan(data[i]) ? "NaN" : "infinity", (long long)i);
    }
    return ROTO_OK;
}

roto_status constant_decode(importer *im, const Onnx__Tensor *t, onnx_value *out)
{
    tensor_shape shape = {0};
    int64_t count = 0;
    const size_t bytes = element_bytes(t->data_type);
    if (bytes == 0)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "tensor '%s' has elements of the type %d",
                         tensor_name(t), t->data_type);
    if (t->data_location != 0)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "tensor '%s' keeps its data in another file; save the model with all data "
                         "inside",
                         tensor_name(t));
    ROTO_TRY(tensor_shape_of(t, &shape, &count));
    const bool has_raw = t->has_raw_data && t->raw_data.len > 0;
    const size_t have = has_raw ? t->raw_data.len : typed_elements(t);
    const size_t need = (size_t)count * (has_raw ? bytes : 1);
    if (have != need)
        return roto_fail(ROTO_ERROR_FORMAT, "tensor '%s' has %zu %s of data; its shape needs %zu",
                         tensor_name(t), have, has_raw ? "bytes" : "elements", need);
    /* The data is in the file, whose size bounds it: it takes nothing from the limit. */
    im->constant_elements += count;
    const uint8_t *raw = has_raw ? t->raw_data.data : NULL;
    if (is_float(t->data_type)) {
        float *data = NULL;
        ROTO_TRY(constant_new_f32(im, &shape, out, &data));
        for (size_t i = 0; i < (size_t)count; i++)
            data[i] = decode_float(t, raw, i);
        return check_finite(t, data, count);
    }
    int64_t *data = NULL;
    ROTO_TRY(constant_new_i64(im, &shape, out, &data));
    for (size_t i = 0; i < (size_t)count; i++)
        data[i] = decode_int(t, raw, i);
    return ROTO_OK;
}

roto_status constant_gather(importer *im, const onnx_value *in, const tensor_shape *shape,
                            int64_t start, const int64_t *stride, onnx_value *out)
{
    float *f32 = NULL;
    int64_t *i64 = NULL;
    if (in->f32)
        ROTO_TRY(constant_new_f32(im, shape, out, &f32));
    else
        ROTO_TRY(constant_new_i64(im, shape, out, &i64));
    const int64_t count = constant_count(shape);
    int64_t index[TENSOR_MAX_RANK] = {0}, from = start;
    for (int64_t i = 0; i < count; i++) {
        if (f32)
            f32[i] = in->f32[from];
        else
            i64[i] = in->i64[from];
        for (int d = shape->rank - 1; d >= 0; d--) {
            from += stride[d];
            if (++index[d] < shape->dim[d])
                break;
            from -= stride[d] * shape->dim[d];
            index[d] = 0;
        }
    }
    return ROTO_OK;
}
