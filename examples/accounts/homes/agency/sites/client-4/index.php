<?php echo 'client 4 of the agency: ', $_SERVER['HTTP_HOST'], "\n";
