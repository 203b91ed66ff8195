package sender

import "strings"

// Browser tells in plain words what a User-Agent header says of browser and system; what is not
// known is empty, and nothing of the header itself comes through. The header proves nothing: it
// only helps people to recognise their own.
func Browser(userAgent string) (browser, system string) {
	// The more particular come first: nearly every browser claims to be several others too.
	for _, known := range []struct{ mark, name string }{
		{"KAKAOTALK", "KakaoTalk"}, {"NAVER(", "NAVER"}, {"Whale/", "Whale"}, {"SamsungBrowser/", "Samsung Internet"},
		{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"}, {"Vivaldi/", "Vivaldi"},
		{"CriOS/", "Chrome"}, {"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/",
			"Safari"}, {"curl/", "curl"},
	} {
		if strings.Contains(userAgent, known.mark) {
			browser = known.name
			break
		}
	}
	for _, known := range []struct{ mark, name string }{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
		{"Windows", "Windows"}, {"Macintosh", "Mac"}, {"Linux", "Linux"},
	} {
		if strings.Contains(userAgent, known.mark) {
			system = known.name
			break
		}
	}
	return browser, system
}
