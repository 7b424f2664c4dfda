/* Of older.cpp and older.c. */
#ifdef __cplusplus
extern "C"
#endif
int older_sum(void);
