// The one part that the preloaded library needs of the files that compilers add to a shared library
// for what is to be destroyed at its end, of which here is nothing. The others would be pages that
// every program touches.

extern "C" {
[[gnu::visibility("hidden")]] void* __dso_handle = nullptr;
}
