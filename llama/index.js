/** The way to the package from outside this folder: whoever imports it must know that it may be missing. */
export * from "node-llama-cpp";
