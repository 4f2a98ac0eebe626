// The parametric face universe: what neighbours need. Data sets are drawn by `drawFaces`; captions, compositions and factor tables
// are shared with the jobs that train and evaluate on them.
export { drawCaption, grammarWords, hueWord, specialTokens, vocabulary } from "./caption.ts";
export { type Composition, compositionWords, drawComposition, isHeldOut } from "./composition.ts";
export {
  describeView,
  drawFaces,
  type FaceSize,
  type FacesOptions,
  type FacesRequest,
  type FacesResult,
  faceSizes,
  subjectName,
  type View,
} from "./drawFaces.ts";
export { drawIdentity, type Identity, identityFactors } from "./identity.ts";
export { colours, drawNuisance, expressions, type FaceSet, faceSets, type Nuisance, scenes, setTable, styles } from "./nuisance.ts";
export { encodePng, type Picture, renderPicture, type Sitting, sittingSvg } from "./render.ts";
