package recipes;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import java.util.List;
import java.util.Objects;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.annotation.Order;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.web.SecurityFilterChain;

@Configuration
public class ResourceServer {
    @Bean
    @Order(1)
    SecurityFilterChain api(HttpSecurity http, @Value("${notes.issuer}") String issuer, @Value("${notes.audience}") String audience) throws Exception {
        var decoder = accessTokens(issuer, audience);
        return http
                .securityMatcher("/api/**")
                .authorizeHttpRequests(requests -> requests.anyRequest().hasAuthority("SCOPE_notes:read"))
                .oauth2ResourceServer(server -> server.jwt(jwt -> jwt.decoder(decoder)))
                .csrf(csrf -> csrf.disable())
                .build();
    }

    // The decoder that Spring makes by itself takes the type "JWT" or none, and looks at no audience.
    static JwtDecoder accessTokens(String issuer, String audience) {
        var decoder = NimbusJwtDecoder.withIssuerLocation(issuer)
                .jwtProcessorCustomizer(processor -> processor.setJWSTypeVerifier(
                        new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt"))))
                .build();
        decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(
                JwtValidators.createDefaultWithIssuer(issuer),
                new JwtClaimValidator<List<String>>("aud", aud -> aud != null && aud.contains(audience)),
                new JwtClaimValidator<Object>("cnf", Objects::isNull))); // bound to a key: good with a DPoP proof alone
        return decoder;
    }
}
