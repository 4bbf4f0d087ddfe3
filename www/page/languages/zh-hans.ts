/** The page's texts in Simplified Chinese. */

import type { PageText } from '../strings.ts';

export const text: PageText = {
  language: '语言',
  title: 'NP-LoRA：融合主体与风格',
  checking: '正在校验',
  newVersion: '本页面有新版本。',
  reload: '加载',
  afterRun: '本页面有新版本，当前任务结束后可以加载。',
  discards: '本页面有新版本，加载后未保存的结果会丢失。',
  otherTabs: '本页面有新版本，关闭打开本站的其他标签页后可以加载。',

  what: '将主体 LoRA 与风格 LoRA 融合，并保住风格。',
  stays: '任何数据都不会离开你的电脑。',
  how: '工作原理',
  inEvery: '在每一层中，',
  style: '风格',
  uses: '只使用一部分方向，其余方向保持不变。',
  the: '',
  subject: '主体',
  pushes: '有一部分也作用在同样的方向上。把两个 LoRA 直接相加时，破坏风格的正是这部分',
  overlap: '重叠',
  spoils: '。',
  taken: '因此在相加之前，先从主体中去掉一部分重叠，去掉多少由你决定。',
  honest: '这样能更好地保留风格，但主体会略有减弱。如果两者几乎没有重叠，结果也几乎不变，页面会如实说明。',
  drawing: '一个平面，代表风格的方向；一支从平面升起的箭头，代表主体；箭头在平面上的投影就是重叠。从箭头中去掉投影长度的一部分后，箭头与平面的夹角变大。',
  plane: '风格平面',
  takenAway: '去掉的部分',
  added: '相加的部分',
  privacy: '隐私',
  examples: '嵌入你的网页',
  interface: '接口',
  licences: '许可证',
};
