#include <Python.h>

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "greeter", NULL, 0, NULL};

PyMODINIT_FUNC
PyInit_greeter(void)
{
    return PyModule_Create(&module);
}
