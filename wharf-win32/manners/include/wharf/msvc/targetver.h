/* Versions of Windows: there is nothing to choose. */
