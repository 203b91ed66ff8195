package main

import "github.com/maru-auth/maru/authz-server/internal/brand"

// brandSettings is how the pages and letters present the installation.
type brandSettings struct {
	BrandName      string `shown:"" help:"The name of the product that people log in to, of at most 40 characters, on all pages and letters. Default: Maru, and 마루 in Korean." placeholder:"NAME"`
	BrandLogo      string `shown:"" help:"Its logo: an SVG or PNG file of at most 64 KiB, read at start, that can be seen on light and dark. One at least twice as wide as high is shown without the name beside it. An SVG file may have no script and refer to nothing outside it. Default: Maru's, or the first letter of another name." placeholder:"PATH"`
	BrandColor     string `shown:"" help:"The colour of links and buttons, in light mode. It must have a contrast of 4.5 with the page and with the text of buttons (WCAG 2.2); otherwise the start is refused, and the nearest colour that has it is named. Default: Maru's." placeholder:"#RRGGBB"`
	BrandColorDark string `shown:"" help:"The same in dark mode. Default: --brand-color, as much lighter as it must be." placeholder:"#RRGGBB"`
	BrandSupport   string `shown:"" help:"Where people get help: a mail address, or an https address. It is linked on all pages, and named on error pages." placeholder:"ADDRESS"`
}

// brand reads the logo and checks the settings.
func (s *brandSettings) brand() (brand.Brand, error) {
	return brand.New(brand.Settings{
		Name: s.BrandName, LogoFile: s.BrandLogo, Color: s.BrandColor, ColorDark: s.BrandColorDark, Support: s.BrandSupport,
	})
}
