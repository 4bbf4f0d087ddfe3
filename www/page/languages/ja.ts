/** The page's texts in Japanese. */

import type { PageText } from '../strings.ts';

export const text: PageText = {
  language: '言語',
  title: 'NP-LoRA: 被写体と画風をマージ',
  checking: '検証中',
  newVersion: 'このページの新しいバージョンがあります。',
  reload: '読み込む',
  afterRun: 'このページの新しいバージョンがあります。処理が終わると読み込めます。',
  discards: 'このページの新しいバージョンがあります。読み込むと、保存していない結果は失われます。',
  otherTabs: 'このページの新しいバージョンがあります。このサイトを開いているほかのタブを閉じると読み込めます。',

  what: '被写体LoRAと画風LoRAを、画風を損なわずにマージします。',
  stays: 'データが外部に送られることはありません。',
  how: '仕組み',
  inEvery: 'どの層でも、',
  style: '画風',
  uses: 'が使うのは一部の方向だけで、残りには触れません。',
  the: '',
  subject: '被写体',
  pushes: 'も、その一部が同じ方向に働きます。この',
  overlap: '重なり',
  spoils: 'が、2つのLoRAを単純に足したときに画風を損ないます。',
  taken: 'そこで足し合わせる前に、重なりのうち指定した分だけを被写体から取り除きます。',
  honest: '画風がよく残る代わりに、被写体は少し弱まります。2つがほとんど重ならない場合は結果もほとんど変わらず、その旨がページに表示されます。',
  drawing: '画風の方向を表す平面と、そこから立ち上がる被写体の矢印。矢印が平面に落とす影が重なりです。影の長さの一部を矢印から取り除くと、矢印は平面に対してより急になります。',
  plane: '画風の平面',
  takenAway: '取り除く分',
  added: '足される分',
  privacy: 'プライバシー',
  examples: '自分のページに置く',
  interface: 'インターフェース',
  licences: 'ライセンス',
};
