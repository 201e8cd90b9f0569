export { loadModel, workerModel, FrameLoop, paint } from "./engine";
