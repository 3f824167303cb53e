#include "format/torch/pickle_names.h"

#include <string.h>

const char *pickle_operation_name(uint8_t operation)
{
    static const struct {
        uint8_t code;
        const char *name;
    } operations[] = {
        {'2', "DUP"},           {'F', "FLOAT"},        {'I', "INT"},
        {'L', "LONG"},          {'P', "PERSID"},       {'S', "STRING"},
        {'V', "UNICODE"},       {'d', "DICT"},         {'g', "GET"},
        {'i', "INST"},          {'l', "LIST"},         {'o', "OBJ"},
        {'p', "PUT"},           {'B', "BINBYTES"},     {'C', "SHORT_BINBYTES"},
        {0x81, "NEWOBJ"},       {0x82, "EXT1"},        {0x83, "EXT2"},
        {0x84, "EXT4"},         {0x8b, "LONG4"},       {0x8c, "SHORT_BINUNICODE"},
        {0x8d, "BINUNICODE8"},  {0x8e, "BINBYTES8"},   {0x8f, "EMPTY_SET"},
        {0x90, "ADDITEMS"},     {0x91, "FROZENSET"},   {0x92, "NEWOBJ_EX"},
        {0x93, "STACK_GLOBAL"}, {0x94, "MEMOIZE"},     {0x95, "FRAME"},
        {0x96, "BYTEARRAY8"},   {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"},
    };
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (operations[i].code == operation)
            return operations[i].name;
    }
    return "unknown";
}

static bool same(const char *text, const char *other, size_t other_bytes)
{
    return strlen(text) == other_bytes && memcmp(text, other, other_bytes) == 0;
}

const pickle_known *pickle_find_function(const char *module, size_t module_bytes, const char *name,
                                         size_t name_bytes)
{
    static const pickle_known known[] = {
        {"collections", "OrderedDict", PICKLE_ORDERED_DICT, NULL},
        {"torch._utils", "_rebuild_tensor_v2", PICKLE_REBUILD_TENSOR, NULL},
        {"torch._utils", "_rebuild_parameter", PICKLE_REBUILD_PARAMETER, NULL},
        {"torch", "FloatStorage", PICKLE_STORAGE_TYPE, "F32"},
        {"torch", "HalfStorage", PICKLE_STORAGE_TYPE, "F16"},
        {"torch", "BFloat16Storage", PICKLE_STORAGE_TYPE, "BF16"},
        {"torch", "DoubleStorage", PICKLE_STORAGE_TYPE, "F64"},
        {"torch", "LongStorage", PICKLE_STORAGE_TYPE, "I64"},
        {"torch", "IntStorage", PICKLE_STORAGE_TYPE, "I32"},
        {"torch", "ShortStorage", PICKLE_STORAGE_TYPE, "I16"},
        {"torch", "CharStorage", PICKLE_STORAGE_TYPE, "I8"},
        {"torch", "ByteStorage", PICKLE_STORAGE_TYPE, "U8"},
        {"torch", "BoolStorage", PICKLE_STORAGE_TYPE, "BOOL"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (same(known[i].module, module, module_bytes) && same(known[i].name, name, name_bytes))
            return &known[i];
    }
    return NULL;
}
