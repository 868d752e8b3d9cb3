# losses kernels.

cdef void fill_losses(KernelTable* t) noexcept:
    pass
