/* Reads descriptions of detectors. */
#include "models/yolo/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    detector_config config;
    (void)detector_config_parse((const char *)data, bytes, "fuzz", &config);
    detector_config_free(&config);
    return 0;
}
