/* Counts the letters of a text that are wider than one byte in UTF-8. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *
wide(PyObject *Py_UNUSED(module), PyObject *text)
{
    Py_ssize_t size, at, count = 0;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &size);

    if (bytes == NULL)
        return NULL;
    for (at = 0; at < size; at++)
        count += ((unsigned char)bytes[at] & 0xC0) == 0xC0;
    return PyLong_FromSsize_t(count);
}

static PyMethodDef methods[] = {
    {"wide", wide, METH_O, "Return how many letters of a text are wider than one byte."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_letters", NULL, 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__letters(void)
{
    return PyModuleDef_Init(&module);
}
