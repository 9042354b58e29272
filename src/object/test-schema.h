/* Schema tables for unit tests and fuzz targets of this folder: cut-down real kinds that use every feature of
 * schema.h, so that a test here does not depend on the kinds in api/. */
#pragma once

#include "object/schema.h"

extern const struct schema_resource test_services, test_deployments, test_configmaps;
