# activations kernels.

cdef void fill_activations(KernelTable* t) noexcept:
    pass
