import { a } from "/etc/passwd"
import { b } from "nn.ada"
import { c } from "./data.json"
